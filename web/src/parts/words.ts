/** Numbers as people read them. */

const UNITS = ["B", "KB", "MB", "GB", "TB"];

export function size(bytes: number): string {
  let power = 0;
  let count = bytes;
  while (count >= 1000 && power < UNITS.length - 1) {
    count /= 1000;
    power++;
  }
  const digits = power > 0 && count < 10 ? 1 : 0;
  return `${count.toFixed(digits)} ${UNITS[power]}`;
}

export function duration(seconds: number): string {
  if (seconds < 60) return "less than a minute";
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return minutes === 1 ? "a minute" : `${minutes} minutes`;
  const hours = Math.floor(minutes / 60);
  const rest = minutes % 60;
  return `${hours === 1 ? "an hour" : `${hours} hours`}${rest ? ` ${rest} min` : ""}`;
}

/** Short, for a clock: `1:04:09`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, index) => (index ? String(part).padStart(2, "0") : part)).join(":");
}

export function day(time: string): string {
  const date = new Date(time);
  const year = date.getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" as const };
  return date.toLocaleDateString("en", { day: "numeric", month: "long", ...year });
}

export function moment(time: string): string {
  const date = new Date(time);
  const minutes = { hour: "2-digit", minute: "2-digit" } as const;
  return `${day(time)}, ${date.toLocaleTimeString("en-GB", minutes)}`;
}

/** Metres as people say them: `46.3 cm`. */
export function length(metres: number): string {
  if (metres < 0.01) return `${(metres * 1000).toPrecision(3)} mm`;
  return metres < 1 ? `${(metres * 100).toPrecision(3)} cm` : `${Number(metres.toPrecision(4))} m`;
}

export const count = (number: number, one: string, many = `${one}s`): string =>
  `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
