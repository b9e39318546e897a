import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

// The page lives under /static/ of the studio's server, built into the Python package.
export default defineConfig({
  base: "./",
  plugins: [
    svelte({
      // Built node by node: no markup string is ever parsed, so no template needs innerHTML.
      compilerOptions: { fragments: "tree" },
    }),
  ],
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});
