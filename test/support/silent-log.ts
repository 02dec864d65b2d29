// Runs before each spec: the errors that it provokes would hide its report. A spec about the log captures it (captured-log.ts).
import { logger } from '../../src/platform/logging/index.js';

logger.level = 'silent';
