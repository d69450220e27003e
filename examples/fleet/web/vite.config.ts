import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

/** With `npm run dev` the backend is the one that `npm start` runs. */
const BACKEND = "http://127.0.0.1:3000";

// oxlint-disable-next-line import/no-default-export -- Vite asks for it
export default defineConfig({
  plugins: [svelte()],
  resolve: { conditions: ["@weir/source", "browser", "module", "import", "default"] },
  server: { proxy: { "/api": BACKEND } },
  build: { target: "es2024", reportCompressedSize: false },
});
