export { Tracing, type TracedTry, type TryEnd, type TryStart } from './tracing.js';
export { TracingModule } from './tracing.module.js';
