/** Runs before the page is painted, so that it never flashes in the other theme. */
const chosen = localStorage.getItem("gypsum.theme");
document.documentElement.dataset["theme"] = chosen === "light" || chosen === "dark" ? chosen : "auto";
