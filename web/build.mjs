// Builds the page into ../src/gypsum/service/page: hashed assets, index.html, the service worker
// and LICENSES.txt. `node build.mjs --watch` builds on every change.
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build, context } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "../src/gypsum/service/page");

/** What ends up in the browser. */
const LIBRARIES = ["preact", "three", "@sparkjsdev/spark", "fflate", "meshoptimizer"];

/** What the page is made of; tests/service/test_page.py reckons the same digest. */
const SOURCES = ["build.mjs", "package-lock.json", "package.json", "index.html", "src", "public"];

const common = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  target: ["es2022", "chrome111", "firefox115", "safari16.4"],
  legalComments: "none",
  logLevel: "error",
  write: false,
};

function* filesIn(path) {
  if (statSync(path).isFile()) yield path;
  else for (const name of readdirSync(path).sort()) yield* filesIn(join(path, name));
}

const sha256 = (data) => createHash("sha256").update(data).digest("hex");

/** Of all sources, by name and content. */
function digest() {
  const lines = SOURCES.flatMap((name) => [...filesIn(join(here, name))]).map(
    (path) => `${sha256(readFileSync(path))}  ${relative(here, path)}\n`);
  return sha256(lines.join(""));
}

const options = {
  ...common,
  entryPoints: { main: "src/main.tsx", theme: "src/theme-early.ts" },
  format: "esm",
  splitting: true,
  outdir: join(out, "assets"),
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  jsx: "automatic",
  jsxImportSource: "preact",
};

async function finish(result) {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(join(out, "assets"), { recursive: true });
  cpSync(join(here, "public"), out, { recursive: true });
  for (const { path, contents } of result.outputFiles) writeFileSync(path, contents);
  const names = result.outputFiles.map(({ path }) => basename(path));
  const named = (start, end) => `/assets/${names.find((name) => name.startsWith(start) && name.endsWith(end))}`;
  const shell = [named("main-", ".js"), named("main-", ".css"), named("theme-", ".js")];
  const page = readFileSync(join(here, "index.html"), "utf8")
    .replace("%MAIN%", shell[0]).replace("%STYLE%", shell[1]).replace("%THEME%", shell[2]);
  writeFileSync(join(out, "index.html"), page);
  const made = digest();
  const worker = await build({
    ...common,
    entryPoints: ["src/worker/worker.ts"],
    define: { SHELL: JSON.stringify(["/", ...shell, "/icons/icon.svg"]), VERSION: JSON.stringify(made.slice(0, 12)) },
  });
  writeFileSync(join(out, "sw.js"), worker.outputFiles[0].contents);
  writeFileSync(join(out, "LICENSES.txt"), licenses());
  writeFileSync(join(out, "SOURCES.sha256"), `${made}\n`);
}

function licenses() {
  return LIBRARIES.map((name) => {
    const folder = join(here, "node_modules", name);
    const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((name) => /^licen[sc]e(\.|$)/i.test(name));
    return `${name} ${version}\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
  }).join("\n\n");
}

if (process.argv.includes("--watch")) {
  const plugin = { name: "finish", setup: (made) => made.onEnd(async (result) => { if (!result.errors.length) await finish(result); }) };
  await (await context({ ...options, logLevel: "info", plugins: [plugin] })).watch();
} else {
  await finish(await build(options));
}
