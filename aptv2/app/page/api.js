// Talking to the server. Every failure is an Error with one sentence for the user.

/** A response that is no error. */
async function answer(promise) {
  let response;
  try {
    response = await promise;
  } catch {
    throw new Error("The server does not respond; start aptv2 again.");
  }
  if (response.ok) return response;
  const content = await response.json().catch(() => ({}));
  throw new Error(content.error || `The server refused the request (status ${response.status}).`);
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
  const header = response.headers.get("content-disposition") ?? "";
  const quoted = /filename="([^"]+)"/.exec(header)?.[1];
  const encoded = /filename\*=utf-8''(\S+)/i.exec(header)?.[1];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = quoted ?? decodeURIComponent(encoded ?? "tracks");
  link.click();
  URL.revokeObjectURL(link.href);
}

/** The rows of a table, float32; see `pose_array` on the server. */
export async function floats(path) {
  return new Float32Array(await (await answer(fetch(path))).arrayBuffer());
}

/** Send a file; `report` receives the fraction sent so far, and `signal` aborts. */
export function upload(file, report, signal) {
  return new Promise((resolve, reject) => {
    // fetch reports no progress of an upload.
    const request = new XMLHttpRequest();
    request.open("POST", `/api/clips?name=${encodeURIComponent(file.name)}`);
    request.responseType = "json";
    request.upload.onprogress = (event) => report(event.loaded / event.total);
    request.onload = () =>
      request.status === 201
        ? resolve(request.response)
        : reject(new Error(request.response?.error || `The upload failed (status ${request.status}); try again.`));
    request.onerror = () => reject(new Error("The upload was interrupted; try again."));
    request.onabort = () => reject(new DOMException("", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
