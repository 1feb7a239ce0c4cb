// The API documentation: examples made of each model's own golden request.
import { call, example, get, h, problem } from "./common.js";

const place = document.getElementById("models");

async function start() {
  try {
    const { models } = await get("/v1/models");
    place.replaceChildren();
    for (const name of models) {
      const model = await get(`/v1/models/${name}`);
      place.append(section(model, await example(model)));
    }
  } catch (error) {
    place.replaceChildren(problem(error), h("button", { onclick: start }, "Try again"));
  }
}

function section(model, golden) {
  const title = `model-${model.name}`;
  return h("section", { "aria-labelledby": title },
    h("h2", { id: title }, model.name),
    h("p", {}, `Task ${model.task}, version ${model.version}, on ${model.provider}.`),
    tensors(model.name, "Inputs", model.inputs), tensors(model.name, "Outputs", model.outputs),
    h("h3", {}, "Score"), trial(scoreExample(model, golden)),
    h("h3", {}, "Score over the Open Inference Protocol"), trial(inferExample(model, golden)),
    h("h3", {}, "Ask about the model"), trial({ path: `/v1/models/${model.name}` }));
}

function tensors(model, caption, specs) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${caption} of ${model}` }, h("table", {},
    h("thead", {}, h("tr", {}, [caption, "Datatype", "Shape (-1: any)"].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, specs.map((spec) => h("tr", {},
      h("td", {}, spec.name), h("td", {}, spec.datatype), h("td", {}, JSON.stringify(spec.shape)))))));
}

const scoreExample = (model, golden) => ({
  path: `/v1/models/${model.name}:predict`, type: golden.type, body: golden.body && JSON.stringify(golden.body),
  blob: golden.blob, source: `/v1/models/${model.name}/example/request`,
});

/** The first golden instance as tensors; a model that takes encoded files gets one as base64. */
function inferExample(model, golden) {
  const path = `/v2/models/${model.name}/infer`;
  if (golden.blob) return { path: `/v2/models/${model.name}` };
  const first = golden.instances[0];
  const inputs = model.inputs.map((input) => {
    const named = first?.constructor === Object ? first[input.name] ?? first.text ?? first.b64 : first;
    const data = [named].flat(Infinity);
    const encoded = input.shape.length === 4 && typeof data[0] === "string";
    return { name: input.name, datatype: encoded ? "BYTES" : input.datatype, shape: encoded ? [1] : shapeOf([named], input.shape.length), data };
  });
  return { path, type: "application/json", body: JSON.stringify({ inputs }) };
}

function shapeOf(value, axes) {
  const shape = [];
  for (let inner = value; shape.length < axes; inner = inner?.[0]) shape.push(Array.isArray(inner) ? inner.length : 1);
  return shape;
}

/** One request: as curl and as Python, and a button that sends it. */
function trial({ path, type, body, blob, source }) {
  const answer = h("div", { "aria-live": "polite" });
  const run = async () => {
    try {
      const options = type ? { method: "POST", headers: { "Content-Type": type }, body: body ?? blob } : {};
      const { response, milliseconds } = await call(path, options);
      const text = JSON.stringify(await response.json(), null, 1);
      answer.replaceChildren(h("p", { class: "quiet" }, `${response.status}, ${milliseconds.toFixed(1)} ms`), h("pre", { tabindex: "0" }, text));
    } catch (error) {
      answer.replaceChildren(problem(error));
    }
  };
  const url = location.origin + path;
  const parts = { url, type, body, source: source && location.origin + source, isFile: Boolean(blob) };
  return h("div", {},
    h("pre", { tabindex: "0", "aria-label": "curl" }, curl(parts)),
    h("details", {}, h("summary", {}, "Python"), h("pre", { tabindex: "0" }, python(parts))),
    h("button", { onclick: run }, "Run"), answer);
}

function curl({ url, type, body, source, isFile }) {
  if (!type) return `curl -s ${url}`;
  if (isFile) return `curl -s -o example ${source}\ncurl -s ${url} -H 'Content-Type: ${type}' --data-binary @example`;
  return `curl -s ${url} -H 'Content-Type: ${type}' -d '${body.replaceAll("'", "'\\''")}'`;
}

function python({ url, type, body, source, isFile }) {
  if (!type) return `import requests\n\nprint(requests.get("${url}").json())`;
  const data = isFile ? `requests.get("${source}").content` : `r'''${body}'''.encode()`;
  return `import requests\n\ndata = ${data}\nanswer = requests.post("${url}", data=data, headers={"Content-Type": "${type}"})\nprint(answer.json())`;
}

start();
