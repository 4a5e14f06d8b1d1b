// The queue and the engine as `/metrics` tells them, and how fast they are between two looks.

import { meanBetween, perSecond, samplesOf, total } from "./exposition.js";
import { element, found } from "./elements.js";
import { curve, written } from "./results.js";
import { getText } from "./service.js";

const EVERY_MS = 5000;
const KEPT_LOOKS = 60;

let before = null;
let queueTokens = [];

/** Look again and again while the box is ticked and the page is seen; tell `onFault` of faults. */
export async function watch(onFault) {
  for (;;) {
    let restMs = EVERY_MS;
    if (found("watch").checked && !document.hidden) {
      try {
        show(samplesOf(await getText("metrics")), performance.now() / 1000);
      } catch (error) {
        before = null;
        found("live-note").textContent = error.message;
        restMs = Math.max(EVERY_MS, 1000 * (error.retryAfterS ?? 0));
        onFault(error);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, restMs));
  }
}

function show(samples, atS) {
  const rows = { ...present(samples), ...(before === null ? {} : speeds(before, samples, atS)) };
  found("live").replaceChildren(
    ...Object.entries(rows).map(([name, value]) =>
      element("div", {}, element("dt", {}, name), element("dd", {}, value)),
    ),
  );
  found("live-note").textContent = `As of ${new Date().toLocaleTimeString()}.`;
  before = { samples, atS };
  queueTokens = [...queueTokens, total(samples, "critic_queue_tokens") ?? 0].slice(-KEPT_LOOKS);
  if (queueTokens.length > 1) {
    const label = `Tokens that wait, the last ${queueTokens.length} looks; now ${queueTokens.at(-1)}`;
    const line = curve([{ side: "a", values: queueTokens }], label);
    const caption = element("figcaption", { class: "note" }, label);
    found("live-curve").replaceChildren(element("figure", {}, line, caption));
  }
}

function present(samples) {
  const whole = (name, labels) => {
    const value = total(samples, name, labels);
    return value === null ? "–" : value.toLocaleString("en-GB");
  };
  return {
    "Items that wait": whole("critic_queue_items"),
    "Tokens that wait": whole("critic_queue_tokens"),
    "Budget of a forward, tokens": whole("critic_engine_budget_tokens"),
    "Forwards answered": whole("critic_engine_forwards_total", { outcome: "answered" }),
    "Forwards out of memory": whole("critic_engine_forwards_total", { outcome: "out_of_memory" }),
    "Vision cache hits": whole("critic_vision_cache_lookups_total", { outcome: "hit" }),
    "Clips decoded": whole("critic_clips_total"),
    "Calls refused (429)": whole("critic_requests_total", { code: "429" }),
    "Takes new work": total(samples, "critic_draining") ? "no, it drains" : "yes",
  };
}

function speeds(then, samples, atS) {
  const rate = (name) => perSecond(total(then.samples, name), total(samples, name), atS - then.atS);
  return {
    "Tokens a second": written(rate("critic_tokens_total"), 1),
    "Clips a second": written(rate("critic_clips_total"), 2),
    "Mean wait, s": written(meanBetween(then.samples, samples, "critic_queue_wait_seconds")),
    "Mean forward, s": written(meanBetween(then.samples, samples, "critic_engine_seconds")),
  };
}
