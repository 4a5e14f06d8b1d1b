// Prometheus' text format, as far as this page needs it, and what two readings of it tell.

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]+-?\d+)?$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

/** Parse into a list of {name, labels, value}. */
export function samplesOf(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    const match = line.startsWith("#") ? null : SAMPLE.exec(line.trim());
    if (match === null) continue;
    const labels = {};
    for (const [, name, value] of (match[2] ?? "").matchAll(LABEL)) {
      labels[name] = value.replace(/\\(.)/g, (_, next) => (next === "n" ? "\n" : next));
    }
    samples.push({ name: match[1], labels, value: numberOf(match[3]) });
  }
  return samples;
}

/** Sum the samples of a name whose labels are as wanted; null where there are none. */
export function total(samples, name, wanted = {}) {
  const alike = samples.filter(
    (each) =>
      each.name === name &&
      Object.entries(wanted).every(([label, value]) => each.labels[label] === value),
  );
  return alike.length === 0 ? null : alike.reduce((sum, each) => sum + each.value, 0);
}

/** How much a counter grew in a second; null where it cannot be told, as after a restart. */
export function perSecond(before, now, seconds) {
  if (before === null || now === null || now < before || seconds <= 0) return null;
  return (now - before) / seconds;
}

/** The mean of what a histogram saw between two readings; null where it saw nothing. */
export function meanBetween(before, now, name) {
  const grew = (part) => {
    const [then, last] = [total(before, `${name}_${part}`), total(now, `${name}_${part}`)];
    return then === null || last === null ? null : last - then;
  };
  const [sum, count] = [grew("sum"), grew("count")];
  return count === null || count <= 0 ? null : sum / count;
}

function numberOf(text) {
  if (text === "+Inf") return Infinity;
  if (text === "-Inf") return -Infinity;
  return Number(text);
}
