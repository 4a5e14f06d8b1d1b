// The page: two clips and a prompt in, what the service says of them out.

import { element, found } from "./elements.js";
import { drawFilmstrip } from "./filmstrip.js";
import { watch } from "./live.js";
import { dimensionsView, preferencesTable, reasonOf, scoresTable, written } from "./results.js";
import { CallFailed, getJson, send, useKey } from "./service.js";

const SIDES = ["a", "b"];
const clips = {};
const drawing = {};
let judging = null;

for (const side of SIDES) {
  const input = found(`file-${side}`);
  input.addEventListener("change", () => take(side, input.files[0]));
  const zone = document.querySelector(`[data-side="${side}"]`);
  for (const event of ["dragenter", "dragover"]) {
    zone.addEventListener(event, () => zone.classList.add("over"));
  }
  for (const event of ["dragleave", "drop"]) {
    zone.addEventListener(event, () => zone.classList.remove("over"));
  }
  zone.addEventListener("drop", ({ dataTransfer }) => take(side, dataTransfer.files[0]));
}
// A file that is dropped beside a zone must not replace the page.
for (const event of ["dragover", "drop"]) {
  document.addEventListener(event, (dropped) => dropped.preventDefault());
}
found("judge").addEventListener("submit", (event) => {
  event.preventDefault();
  judge();
});
found("stop").addEventListener("click", () => judging?.abort());
found("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(found("key").value);
  found("key").value = "";
  introduce();
});

introduce();
watch(askForKey);

async function introduce() {
  try {
    const info = await getJson("v1/info");
    const [critic] = info.critics;
    found("about").textContent =
      `${critic.name} ${critic.revision} on ${critic.fingerprint.device}, ` +
      `${info.service} ${info.version}, fingerprint ${critic.fingerprint.id}`;
    found("key-form").hidden = true;
    found("key-error").textContent = "";
    offer(critic.criteria);
  } catch (error) {
    found("about").textContent = error.message;
    const wasAsked = !found("key-form").hidden;
    askForKey(error);
    if (wasAsked && isAboutKey(error)) found("key-error").textContent = error.message;
    // While the critic is being loaded it is asked again.
    if (error.retryAfterS) setTimeout(introduce, 1000 * error.retryAfterS);
  }
}

function isAboutKey(error) {
  return error instanceof CallFailed && error.code === "unauthenticated";
}

function askForKey(error) {
  if (!isAboutKey(error) || !found("key-form").hidden) return;
  found("key-form").hidden = false;
  found("key").focus();
}

function offer(criteria) {
  const boxes = criteria.map(({ name, question, needs_prompt, default: chosen }) => {
    const id = `criterion-${name}`;
    const box = element("input", { type: "checkbox", id, value: name, "data-needs": needs_prompt });
    box.checked = chosen;
    return element("div", {}, box, " ", element("label", { for: id }, name), ` ${question}`);
  });
  found("criteria").replaceChildren(found("criteria").firstElementChild, ...boxes);
}

async function take(side, file) {
  if (file === undefined) return;
  clips[side] = file;
  drawing[side]?.abort();
  drawing[side] = new AbortController();
  const { signal } = drawing[side];
  const [note, film] = [found(`note-${side}`), found(`film-${side}`)];
  const size = `${file.name}, ${(file.size / 1e6).toFixed(2)} MB`;
  note.textContent = `${size}; drawing its frames …`;
  film.hidden = true;
  try {
    const seconds = await drawFilmstrip(file, film, signal);
    if (signal.aborted) return;
    note.textContent = `${size}, ${written(seconds, 1)} s`;
    film.setAttribute("aria-label", `Frames of ${file.name}`);
    film.hidden = false;
  } catch (error) {
    if (!signal.aborted) note.textContent = `${size}; ${error.message}, the service may judge it`;
  }
}

function chosenCriteria(hasPrompt) {
  const boxes = [...found("criteria").querySelectorAll("input:checked")];
  return boxes.filter((box) => hasPrompt || box.dataset.needs !== "true").map((box) => box.value);
}

async function judge() {
  if (judging !== null) return;
  const sides = SIDES.filter((side) => clips[side] !== undefined);
  if (sides.length === 0) return tell([new CallFailed("no_clip", "Choose at least one clip.")]);
  judging = new AbortController();
  found("go").disabled = true;
  found("stop").disabled = false;
  found("results").hidden = true;
  tell([]);
  found("progress").textContent = "Judging …";
  try {
    await show(sides, judging.signal);
  } finally {
    judging = null;
    found("go").disabled = false;
    found("stop").disabled = true;
  }
}

async function show(sides, signal) {
  const files = Object.fromEntries(sides.map((side) => [side, clips[side]]));
  const prompt = found("prompt").value.trim();
  const told = prompt === "" ? {} : { prompt };
  const items = sides.map((side) => ({ clip: { part: side }, ...told }));
  const asked = chosenCriteria(prompt !== "");
  const criteria = asked.length === 0 ? {} : { criteria: asked };
  const pairs = [{ a: { part: "a" }, b: { part: "b" }, ...told }];
  const calls = {
    scores: send("v1/score", { items, ...criteria }, files, signal),
    dimensions: send("v1/dimensions", { items }, files, signal),
  };
  if (sides.length === 2) calls.preferences = send("v1/compare", { pairs, ...criteria }, files, signal);
  const names = Object.keys(calls);
  const outcomes = await Promise.allSettled(Object.values(calls));
  const answers = Object.fromEntries(names.map((name, i) => [name, outcomes[i].value]));
  if (signal.aborted) {
    found("progress").textContent = "Stopped.";
    return;
  }
  const { scores, preferences, dimensions } = answers;
  found("scores").replaceChildren(...(scores ? [scoresTable(scores.results, sides)] : []));
  found("preferences").replaceChildren(
    ...(preferences ? [preferencesTable(preferences.results[0])] : []),
  );
  found("dimensions").replaceChildren(
    ...(dimensions ? dimensionsView(dimensions.results, sides) : []),
  );
  found("fingerprint").textContent = scores
    ? `Scores are comparable where the fingerprint is ${scores.fingerprint.id}.`
    : "";
  tell(outcomes.filter((each) => each.status === "rejected").map((each) => each.reason));
  const isSomething = outcomes.some((each) => each.status === "fulfilled");
  found("progress").textContent = isSomething ? "Done." : "Nothing could be judged.";
  found("results").hidden = !isSomething;
  if (isSomething) found("results").focus();
}

function tell(errors) {
  errors.forEach(askForKey);
  const told = errors.map((error) => {
    const named = error.requestId ? ` (request ${error.requestId})` : "";
    const items = (error.items ?? []).map((each) =>
      element("li", {}, `Clip or pair ${each.index + 1}: `, reasonOf(each)),
    );
    return element("div", {}, reasonOf(error), named, element("ul", {}, ...items));
  });
  found("faults").replaceChildren(...told);
}
