export { Tracing, type TracedTry, type TryEnd } from './tracing.js';
export { TracingModule } from './tracing.module.js';
