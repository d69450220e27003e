import { mount } from "svelte";
import App from "./components/app.svelte";
import { followTheme } from "./theme.ts";
import "./app.css";

followTheme();
mount(App, { target: document.getElementById("app") as HTMLElement });
