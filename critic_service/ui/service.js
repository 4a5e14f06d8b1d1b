// The calls to the service that served this page, with the key that its user gave.

let key = null;

/** What a call failed with; `code` is the service's, or `unreachable`. */
export class CallFailed extends Error {
  constructor(code, message, { requestId = null, items = [], retryAfterS = null } = {}) {
    super(message);
    this.code = code;
    this.requestId = requestId;
    this.items = items;
    this.retryAfterS = retryAfterS;
  }
}

/** Send this key from now on. It is kept in this variable and nowhere else. */
export function useKey(given) {
  key = given;
}

/** Get a document as JSON. */
export async function getJson(path, signal) {
  return (await call(path, { signal })).json();
}

/** Get a document as text. */
export async function getText(path, signal) {
  return (await call(path, { signal })).text();
}

/** Send a request with its clips, each in a part of its own. */
export async function send(path, request, clips, signal) {
  const body = new FormData();
  body.append("request", JSON.stringify(request));
  for (const [name, file] of Object.entries(clips)) body.append(name, file, file.name || name);
  return (await call(path, { method: "POST", body, signal })).json();
}

async function call(path, options) {
  const headers = key === null ? {} : { "X-API-Key": key };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new CallFailed("unreachable", "The service does not answer.");
  }
  if (answer.ok) return answer;
  const retryAfterS = Number(answer.headers.get("Retry-After")) || null;
  const body = await answer.json().catch(() => ({}));
  throw new CallFailed(body.code ?? String(answer.status), body.message ?? answer.statusText, {
    requestId: body.request_id,
    items: body.details?.items ?? [],
    retryAfterS,
  });
}
