// What both pages share: elements, calls to the API, and the API key, which is kept in memory only.

let key = "";

/** Make an element: h("p", {class: "quiet", onclick: f}, "text", child). Text is never HTML. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat());
  return element;
}

/** An error that the server or the network gave, in words for a person. */
export class Refused extends Error {
  constructor(message, requestId) {
    super(message);
    this.requestId = requestId;
  }
}

/** Call the API; asks for a key when one is needed. Returns {response, milliseconds}. */
export async function call(path, options = {}) {
  for (;;) {
    const headers = { ...options.headers, ...(key ? { "X-API-Key": key } : {}) };
    const started = performance.now();
    let response;
    try {
      response = await fetch(path, { ...options, headers });
    } catch {
      throw new Refused("The server cannot be reached.");
    }
    const milliseconds = performance.now() - started;
    if (response.ok) return { response, milliseconds };
    const refusal = await readRefusal(response);
    if (response.status !== 401 && response.status !== 403) throw refusal;
    key = await askForKey(key ? refusal.message : "");
    if (!key) throw refusal;
  }
}

/** Call the API and read JSON. */
export async function get(path) {
  return (await call(path)).response.json();
}

async function readRefusal(response) {
  try {
    const body = await response.json();
    return new Refused(body.error, body.request_id);
  } catch {
    return new Refused(`The server answered ${response.status} ${response.statusText}.`);
  }
}

function askForKey(problem) {
  const input = h("input", { id: "key", type: "password", autocomplete: "off", required: true });
  const dialog = h("dialog", { "aria-labelledby": "key-title" },
    h("form", { method: "dialog" },
      h("h2", { id: "key-title" }, "API key"),
      h("p", {}, problem || "This service needs a key. It is kept in this page only, until you close it."),
      h("p", {}, h("label", { for: "key" }, "Key"), input),
      h("div", { class: "row" },
        h("button", { class: "main", value: "use" }, "Use key"),
        h("button", { value: "cancel", formnovalidate: true }, "Cancel"))));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => {
    dialog.remove();
    resolve(dialog.returnValue === "use" ? input.value.trim() : "");
  }));
}

/** Show an error where the answer would be. */
export function problem(error) {
  const id = error.requestId ? ` (request ${error.requestId})` : "";
  return h("p", { class: "error", role: "alert" }, `${error.message}${id}`);
}

/** A name, a share of 1 and its bar. */
export function rank(name, share, below = false) {
  const filled = h("div");
  filled.style.width = `${Math.round(Math.min(Math.max(share, 0), 1) * 1000) / 10}%`;
  return h("li", { class: below ? "below" : "" },
    h("div", { class: "rank" }, h("span", {}, name), h("span", {}, share.toFixed(3))),
    h("div", { class: "bar", "aria-hidden": "true" }, filled));
}

/** The golden request of a model: what it is sent as, and its instances when it is JSON. */
export async function example(model) {
  const { response } = await call(`/v1/models/${model.name}/example/request`);
  const type = response.headers.get("Content-Type");
  if (!type.startsWith("application/json")) return { type, instances: [], blob: await response.blob() };
  const body = await response.json();
  return { type, body, instances: body.instances };
}
