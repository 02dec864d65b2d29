export { inFullSteps } from './full-steps.js';
export { Jobs } from './jobs.js';
export { JobsModule } from './jobs.module.js';
export { RepeatingJob } from './repeating-job.js';
