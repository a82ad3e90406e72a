/** A name for a scan that has none yet. */
export const suggestedTitle = (): string =>
  `Scan of ${new Date().toLocaleDateString("en", { day: "numeric", month: "long" })}`;
