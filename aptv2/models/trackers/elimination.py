"""Candidate elimination: search tokens that no template token looks at leave the blocks early.

OSTrack's (Ye et al., ECCV 2022), with the published settings: behind the attention of the blocks
3, 6 and 9 (counted from 0) 0.7 of the search tokens stay, rounded up. Those stay to which the four
tokens in the middle of the template, on average over heads, pay most attention.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

BLOCKS, KEPT = (3, 6, 9), 0.7


def eliminating(blocks: nn.Sequential, norm: nn.Module, tokens: Tensor, template: int) -> Tensor:
    """Search tokens (N, S, C) behind blocks and norm, zeros where a token was eliminated.

    Parameters
    ----------
    blocks, norm
        A plain ViT's.
    tokens
        (N, T + S, C): the template's tokens, then the search's, each in rows of a square.
    template
        T, their number.
    """
    count = tokens.shape[1] - template
    middle = _middle(template).to(tokens.device)
    places = torch.arange(count, device=tokens.device).expand(len(tokens), count)
    block: Any
    for number, block in enumerate(blocks):
        if number not in BLOCKS:
            tokens = block(tokens)
            continue
        tokens, attention = _attend(block, tokens)
        looked_at = attention[:, :, middle, template:].mean(dim=(1, 2))
        best = looked_at.topk(math.ceil(KEPT * looked_at.shape[1]), dim=1).indices
        places = places.gather(1, best)
        kept = (template + best)[..., None].expand(-1, -1, tokens.shape[2])
        tokens = torch.cat([tokens[:, :template], tokens.gather(1, kept)], dim=1)
        tokens = tokens + block.drop_path2(block.ls2(block.mlp(block.norm2(tokens))))
    found = norm(tokens)[:, template:]
    whole = found.new_zeros(len(found), count, found.shape[2])
    return whole.scatter(1, places[..., None].expand_as(found), found)


def _attend(block: Any, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens behind the attention of timm's block, and the attention (N, heads, T + S, T + S)."""
    attn = block.attn
    qkv = attn.qkv(block.norm1(tokens)).unflatten(2, (3, attn.num_heads, -1))
    queries, keys, values = qkv.permute(2, 0, 3, 1, 4)
    attention = (queries * attn.scale @ keys.transpose(-2, -1)).softmax(dim=-1)
    joined = attn.proj((attention @ values).transpose(1, 2).flatten(2))
    return tokens + block.drop_path1(block.ls1(joined)), attention


def _middle(template: int) -> Tensor:
    """Places of the four tokens in the middle of a template of an even number of rows."""
    rows = math.isqrt(template)
    inner = torch.tensor([rows // 2 - 1, rows // 2])
    return (inner[:, None] * rows + inner).flatten()
