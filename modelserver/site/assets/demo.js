// The demo: one view for each task.
import { call, example, get, h, problem, rank } from "./common.js";

const chosen = document.getElementById("model");
const facts = document.getElementById("facts");
const view = document.getElementById("view");

const VIEWS = { faq: faqView, "image-classification": imageView, tensor: tensorView };
let forget = () => {}; // undoes what a view did outside of its own elements

async function start() {
  try {
    const { models } = await get("/v1/models");
    chosen.replaceChildren(...models.map((name) => h("option", {}, name)));
    chosen.addEventListener("change", show);
    await show();
  } catch (error) {
    view.replaceChildren(problem(error), h("button", { onclick: start }, "Try again"));
  }
}

let latestShow = 0;

async function show() {
  const mine = ++latestShow;
  view.setAttribute("aria-busy", "true");
  let model, golden, failure;
  try {
    model = await get(`/v1/models/${chosen.value}`);
    golden = await example(model);
  } catch (error) {
    failure = error;
  }
  if (mine !== latestShow) return; // another model was chosen meanwhile
  forget();
  forget = () => {};
  if (failure) {
    view.replaceChildren(problem(failure));
  } else {
    document.title = `${model.name} – model demo`;
    facts.textContent = `version ${model.version} · ${model.task} · ${model.provider}`;
    view.replaceChildren(...VIEWS[model.task](model, golden));
  }
  view.setAttribute("aria-busy", "false");
}

/** Ask the model; returns {predictions, milliseconds}. */
async function predict(model, body, type = "application/json") {
  const { response, milliseconds } = await call(`/v1/models/${model.name}:predict`, {
    method: "POST", headers: { "Content-Type": type },
    body: type === "application/json" ? JSON.stringify(body) : body,
  });
  return { ...(await response.json()), milliseconds };
}

const took = (milliseconds) => h("p", { class: "quiet" }, `answered in ${milliseconds.toFixed(1)} ms, network included`);

/** A place for answers that screen readers announce; `fill` shows what a promise brings. */
function answerPlace() {
  const place = h("div", { "aria-live": "polite" });
  let latest = 0;
  const fill = async (promise) => {
    const mine = ++latest;
    place.setAttribute("aria-busy", "true");
    let shown;
    try {
      shown = await promise;
    } catch (error) {
      shown = [problem(error)];
    }
    if (mine === latest) { // an answer that was overtaken by a later one is not shown
      place.replaceChildren(...shown);
      place.removeAttribute("aria-busy");
    }
  };
  return { place, fill };
}

function faqView(model, { instances }) {
  const { place, fill } = answerPlace();
  const question = h("textarea", {
    id: "question", rows: 3, maxlength: model.max_characters, required: true,
    placeholder: "Ask in your own words",
    onkeydown: (event) => {
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        form.requestSubmit();
      }
    },
  });
  const count = h("input", { id: "count", type: "number", min: 1, max: model.faqs, value: model.parameters.top_k });
  const ask = async () => {
    const body = { instances: [question.value], parameters: { top_k: count.valueAsNumber || 1 } };
    const { predictions: [{ matched, matches }], milliseconds } = await predict(model, body);
    return [
      matched ? h("h2", {}, "Best answers")
        : h("p", { class: "none" }, h("strong", {}, "No match. "),
          `No FAQ reaches the score ${model.parameters.min_score.toFixed(2)} that counts as an answer. The nearest:`),
      h("ol", { class: "ranks" }, matches.map((match) =>
        rank(match.title, match.score, match.score < model.parameters.min_score))),
      took(milliseconds),
    ];
  };
  const form = h("form", { onsubmit: (event) => { event.preventDefault(); fill(ask()); } },
    h("p", {}, h("label", { for: "question" }, "Question"), question),
    h("div", { class: "row" },
      h("button", { class: "main" }, "Ask"),
      h("label", { for: "count" }, "Answers"), count,
      h("span", { class: "quiet" }, `of ${model.faqs} FAQs`)));
  const texts = instances.map((instance) => instance.text ?? instance);
  const pick = (text) => { question.value = text; form.requestSubmit(); };
  const picks = texts.map((text) => h("li", {},
    h("button", { class: "link", onclick: () => pick(text) }, text)));
  return [form, place, h("h2", {}, "Or try one of these"), h("ul", { class: "plain" }, picks)];
}

function imageView(model, golden) {
  const blob = golden.blob ?? decoded(golden.instances[0].b64);
  const gallery = h("div", { class: "gallery", "aria-live": "polite" });
  const add = (files) => {
    for (const file of [...files].reverse()) gallery.prepend(imageCard(model, file));
  };
  const chooser = (text, kind, more) => h("label", { class: `button ${kind}` }, text, h("input", {
    type: "file", accept: "image/jpeg,image/png,image/webp,image/bmp,image/gif", ...more,
    onchange: (event) => { add(event.target.files); event.target.value = ""; },
  }));
  const drop = h("div", {
    class: "drop",
    ondragover: (event) => { event.preventDefault(); drop.classList.add("over"); },
    ondragleave: () => drop.classList.remove("over"),
    ondrop: (event) => { event.preventDefault(); drop.classList.remove("over"); add(event.dataTransfer.files); },
  },
  h("p", {}, "Drop or paste pictures here."),
  h("div", { class: "row" },
    chooser("Choose pictures", "main", { multiple: true }),
    chooser("Take a photograph", "camera", { capture: "environment" }),
    h("button", { onclick: () => add([new File([blob], "example", { type: blob.type })]) }, "Use the model's example")));
  const paste = (event) => add(event.clipboardData.files);
  document.addEventListener("paste", paste);
  forget = () => document.removeEventListener("paste", paste);
  return [drop, gallery];
}

const decoded = (base64) => new Blob([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))]);

function imageCard(model, file) {
  const { place, fill } = answerPlace();
  const address = URL.createObjectURL(file);
  const picture = h("img", { src: address, alt: file.name, onload: () => URL.revokeObjectURL(address) });
  const ask = async () => {
    const { predictions: [{ classes }], milliseconds } = await predict(model, file, file.type || "application/octet-stream");
    return [h("ol", { class: "ranks" }, classes.map((found) => rank(found.label, found.probability))), took(milliseconds)];
  };
  fill(ask());
  return h("article", { class: "card" }, picture, h("h3", {}, file.name), place);
}

function tensorView(model, { instances }) {
  const { place, fill } = answerPlace();
  const first = instances[0];
  const valueOf = (name) => (model.inputs.length === 1 && !(first?.constructor === Object && name in first) ? first : first?.[name]);
  const fields = model.inputs.map((input) => {
    const text = JSON.stringify(valueOf(input.name));
    const rows = Math.min(8, 1 + Math.ceil(text.length / 80));
    return h("textarea", { class: "code", id: `input-${input.name}`, rows, spellcheck: "false" }, text);
  });
  const read = () => Object.fromEntries(model.inputs.map((input, i) => {
    try {
      return [input.name, JSON.parse(fields[i].value)];
    } catch (error) {
      throw new Error(`${input.name}: this is not JSON: ${error.message}`);
    }
  }));
  const ask = async () => {
    const { predictions: [prediction], milliseconds } = await predict(model, { instances: [read()] });
    return [h("h2", {}, "Prediction"), ...shown(model, prediction), took(milliseconds)];
  };
  return [
    h("form", { onsubmit: (event) => { event.preventDefault(); fill(ask()); } },
      model.inputs.map((input, i) => h("p", {},
        h("label", { for: `input-${input.name}` }, input.name), " ",
        h("span", { class: "quiet" }, `${input.datatype} ${rowShape(input)}`),
        fields[i])),
      h("button", { class: "main" }, "Predict")),
    place,
  ];
}

/** What one row of an input looks like; the first axis counts rows. */
function rowShape({ shape: [, ...sizes] }) {
  return sizes.length ? `[${sizes.map((size) => (size < 0 ? "any" : size)).join(", ")}]` : "one value";
}

/** A prediction: bars where numbers have labels, and always the whole as JSON. */
function shown(model, prediction) {
  const labels = model.labels ?? [];
  const outputs = prediction?.constructor === Object ? Object.values(prediction) : [prediction];
  const shares = outputs.find((value) => Array.isArray(value) && value.length === labels.length && value.every(Number.isFinite));
  const ranked = (shares ?? []).map((share, i) => [share, labels[i]]).sort((a, b) => b[0] - a[0]);
  return [
    ranked.length ? h("ol", { class: "ranks" }, ranked.map(([share, label]) => rank(String(label), share))) : "",
    h("pre", { tabindex: "0" }, JSON.stringify(prediction, null, 1)),
  ];
}

start();
