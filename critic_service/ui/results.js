// What the service answered, as tables and curves. A number that is not there has its reason.

import { drawn, element } from "./elements.js";

const CURVE = { width: 320, height: 120, margin: 6 };

/** Write a number for people; null and what is not finite become a dash. */
export function written(number, digits = 3) {
  return Number.isFinite(number) ? number.toFixed(digits) : "–";
}

/** Where the points of a curve lie; `low` and `high` are the ends of its scale. */
export function pointsOf(series, low, high, { width, height, margin } = CURVE) {
  const across = (width - 2 * margin) / Math.max(1, series.length - 1);
  const up = (height - 2 * margin) / (high > low ? high - low : 1);
  return series
    .map((value, index) => {
      const x = margin + index * across;
      const y = high > low ? height - margin - (value - low) * up : height / 2;
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    })
    .join(" ");
}

/** Draw series over one another, on one scale. */
export function curve(series, label) {
  const values = series.flatMap((each) => each.values);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const size = `0 0 ${CURVE.width} ${CURVE.height}`;
  const lines = series.map(({ side, values: line }) =>
    drawn("polyline", { class: side, points: pointsOf(line, low, high) }),
  );
  return drawn("svg", { class: "curve", viewBox: size, role: "img", "aria-label": label }, ...lines);
}

/** Tabulate scores: one row for each criterion, one column for each clip. */
export function scoresTable(results, sides) {
  const names = namesOf(results, "scores");
  const rows = names.map((name) =>
    row(name, ...results.map((result) => scoreCell(result, result.scores[name]))),
  );
  rows.push(row("reward", ...results.map((each) => cell(each.reward, each.reason))));
  const heads = sides.map((side) => `Clip ${side.toUpperCase()}`);
  return table("Scores, calibrated to 0 … 1; higher is better", ["Criterion", ...heads], rows);
}

/** Tabulate what a pair is preferred for. */
export function preferencesTable(result) {
  if (Object.keys(result.preferences).length === 0) {
    return element("p", {}, "The pair was not compared. ", reasonOf(result.reason));
  }
  const rows = Object.entries(result.preferences).map(([name, each]) => {
    if (each.reason) return row(name, reasonOf(each.reason), "–", "–");
    const shares = [each.p_win, each.p_tie, each.p_lose];
    const words = `A ${written(shares[0])}, tie ${written(shares[1])}, B ${written(shares[2])}`;
    return row(
      name,
      element("td", {}, words, shareBar(shares)),
      sideName(each.preferred),
      written(each.order_consistency),
    );
  });
  const overall = row("over all", "", sideName(result.preferred), "");
  if (result.reason) overall.cells[1].replaceChildren(reasonOf(result.reason));
  const heads = ["Criterion", "Probability that it is better", "Preferred", "Order consistency"];
  return table("Clip A against clip B", heads, [...rows, overall]);
}

/** Tabulate dimensions, and draw those that have a number for each frame. */
export function dimensionsView(results, sides) {
  const names = namesOf(results, "dimensions");
  const rows = names.map((name) =>
    row(
      name,
      ...results.map((result) => {
        const each = result.dimensions[name];
        return cell(each?.raw, each?.reason ?? result.reason);
      }),
    ),
  );
  const heads = sides.map((side) => `Clip ${side.toUpperCase()}`);
  const curves = names
    .map((name) => dimensionCurve(name, results, sides))
    .filter((each) => each !== null);
  return [
    table("Dimensions, measured without the critic", ["Dimension", ...heads], rows),
    element("div", { class: "curves" }, ...curves),
  ];
}

/** Say why there is no number. */
export function reasonOf(reason) {
  const text = reason ? `${reason.code}: ${reason.message}` : "no reason was given";
  return element("span", { class: "fault" }, text);
}

function dimensionCurve(name, results, sides) {
  const series = results
    .map((result, index) => ({ side: sides[index], values: result.dimensions[name]?.per_frame }))
    .filter(({ values }) => values && values.length > 1);
  if (series.length === 0) return null;
  const told = series.map(({ side, values }) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const style = side === "a" ? "solid" : "dashed";
    const [least, most] = [written(Math.min(...values)), written(Math.max(...values))];
    return `${side.toUpperCase()} (${style}): ${least} to ${most}, mean ${written(mean)}`;
  });
  const caption = `${name} by frame. ${told.join("; ")}.`;
  return element("figure", {}, curve(series, caption), element("figcaption", { class: "note" }, caption));
}

function scoreCell(result, score) {
  if (score === undefined) return element("td", {}, reasonOf(result.reason));
  const made = cell(score.value, score.reason);
  if (score.reason) return made;
  made.append(` (raw ${written(score.raw)}) `);
  // The number is beside it: to a screen reader the bar would only say it again.
  made.append(element("meter", { min: 0, max: 1, value: score.value, "aria-hidden": "true" }));
  return made;
}

function cell(number, reason) {
  if (Number.isFinite(number)) return element("td", {}, written(number));
  return element("td", {}, "– ", reasonOf(reason));
}

function shareBar([win, tie, lose]) {
  const shares = [["a", 0, win], ["tie", win, tie], ["b", win + tie, lose]];
  const parts = shares.map(([side, from, share]) =>
    drawn("rect", { class: side, x: from, y: 0, width: Math.max(0, share), height: 1 }),
  );
  const form = { class: "shares", viewBox: "0 0 1 1", preserveAspectRatio: "none" };
  return drawn("svg", { ...form, "aria-hidden": "true" }, ...parts);
}

function sideName(side) {
  return { a: "A", b: "B", tie: "tie" }[side] ?? "–";
}

function namesOf(results, field) {
  return [...new Set(results.flatMap((result) => Object.keys(result[field])))];
}

function row(name, ...cells) {
  const made = cells.map((each) =>
    each instanceof HTMLTableCellElement ? each : element("td", {}, each),
  );
  return element("tr", {}, element("th", { scope: "row" }, name), ...made);
}

function table(caption, heads, rows) {
  const head = element("tr", {}, ...heads.map((each) => element("th", { scope: "col" }, each)));
  const made = element("table", {}, element("caption", {}, caption), element("thead", {}, head));
  made.append(element("tbody", {}, ...rows));
  return element("div", { class: "wide", tabindex: 0, role: "region", "aria-label": caption }, made);
}
