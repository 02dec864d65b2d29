// Before each spec: what it provokes would bury its report. A spec about the log captures it (captured-log.ts).
import { logger } from '../../src/platform/logging/index.js';

logger.level = 'silent';
