import { DefaultModels } from './default-models.js';
import { RunBatches } from './run-batches.js';
import { RunEvents } from './run-events.js';
import { RunRecords } from './run-records.js';
import { RunRequests } from './run-request.js';
import { RunStarts } from './run-starts.js';
import { RunSweeper } from './run-sweeper.js';
import { RunTexts } from './run-texts.js';
import { RunTicker } from './run-ticker.js';
import { RunsRepository } from './runs.repository.js';
import { Runs } from './runs.service.js';

/** All that the module provides of runs. */
export const RUN_PROVIDERS = [
  DefaultModels,
  RunBatches,
  RunEvents,
  RunRecords,
  RunRequests,
  Runs,
  RunsRepository,
  RunStarts,
  RunSweeper,
  RunTexts,
  RunTicker,
];
