export { type ComponentName, describeWith, findComponent } from "./real-component.ts";
