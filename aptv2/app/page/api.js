// Talking to the server. Every failure is an Error with one sentence for the user.

/** JSON of an answer. */
async function answer(promise) {
  let response;
  try {
    response = await promise;
  } catch {
    throw new Error("The server does not answer; start aptv2 again.");
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  throw new Error(told.error || `The server refused (${response.status}).`);
}

export async function get(path) {
  return (await answer(fetch(path))).json();
}

export async function post(path, content = null) {
  const body = JSON.stringify(content);
  return (await answer(fetch(path, { method: "POST", body }))).json();
}

/** Save a file; one that cannot be made is an error, and not saved. */
export async function save(path) {
  const response = await answer(fetch(path));
  const told = response.headers.get("content-disposition") ?? "";
  const plain = /filename="([^"]+)"/.exec(told)?.[1];
  const coded = /filename\*=utf-8''(\S+)/i.exec(told)?.[1];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = plain ?? decodeURIComponent(coded ?? "tracks");
  link.click();
  URL.revokeObjectURL(link.href);
}

/** The rows of a table, float32; see `pose_array` on the server. */
export async function floats(path) {
  return new Float32Array(await (await answer(fetch(path))).arrayBuffer());
}

/** Send a file; `report` takes the share that was sent. `signal` ends it. */
export function upload(file, report, signal) {
  return new Promise((resolve, reject) => {
    // fetch tells no progress of what it sends.
    const request = new XMLHttpRequest();
    request.open("POST", `/api/clips?name=${encodeURIComponent(file.name)}`);
    request.responseType = "json";
    request.upload.onprogress = (event) => report(event.loaded / event.total);
    request.onload = () =>
      request.status === 201
        ? resolve(request.response)
        : reject(new Error(request.response?.error || `The upload failed (${request.status}).`));
    request.onerror = () => reject(new Error("The upload broke off; try again."));
    request.onabort = () => reject(new DOMException("", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
