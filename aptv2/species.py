"""The 30 species and 15 families of APTv2."""

from __future__ import annotations

from functools import lru_cache

# Family -> species, in the order of the paper's sunburst figure.
FAMILIES: dict[str, tuple[str, ...]] = {
    "Canidae": ("dog", "fox", "wolf"),
    "Felidae": ("cat", "tiger", "lion", "cheetah"),
    "Hominidae": ("orangutan", "gorilla", "chimpanzee"),
    "Cercopithecidae": ("monkey", "spider monkey", "noisy night monkey"),
    "Ursidae": ("panda", "black bear", "polar bear"),
    "Bovidae": ("sheep", "cow", "buffalo", "antelope"),
    "Cervidae": ("deer",),
    "Hippopotamidae": ("hippo",),
    "Equidae": ("horse", "zebra"),
    "Leporidae": ("rabbit",),
    "Procyonidae": ("raccoon",),
    "Rhinocerotidae": ("rhino",),
    "Giraffidae": ("giraffe",),
    "Suidae": ("pig",),
    "Elephantidae": ("elephant",),
}

# The families of the zero-shot and leave-one-out tables.
BENCHMARK_FAMILIES = ("Canidae", "Felidae", "Hominidae", "Cercopithecidae", "Ursidae", "Bovidae")

SPECIES: tuple[str, ...] = tuple(name for names in FAMILIES.values() for name in names)

_FAMILY_OF = {name: family for family, names in FAMILIES.items() for name in names}


@lru_cache(maxsize=4096)
def canonical(name: str) -> str:
    """A species name as APTv2 spells it: lower case, single spaces, no hyphen or underscore.

    Unknown names come back in the same tidy spelling.
    """
    tidy = " ".join(name.lower().replace("-", " ").replace("_", " ").split())
    joined = tidy.replace(" ", "")
    for known in SPECIES:
        if joined in (known.replace(" ", ""), known.replace(" ", "") + "s"):
            return known
    return {"chimps": "chimpanzee"}.get(joined, tidy)


def of_folder(name: str) -> str:
    """The species that a numbered folder of APTv2 is named after: `11spider-monkey`."""
    return canonical(name.lstrip("0123456789"))


def family(name: str) -> str:
    """The family of a species, or "other" for a species that APTv2 does not hold."""
    return _FAMILY_OF.get(canonical(name), "other")
