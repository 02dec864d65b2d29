import { Injectable } from '@nestjs/common';
import { inFullSteps, Jobs } from '../../platform/jobs/index.js';
import { KeptResponsesRepository } from './kept-responses.repository.js';

const PRUNE_EVERY_MS = 60 * 60_000;
const AT_ONCE = 1_000;

/** Forgets responses that providers do not keep any more. */
@Injectable()
export class ResponsePruner {
  constructor(repository: KeptResponsesRepository, jobs: Jobs) {
    jobs.repeat({
      failure: 'Old responses could not be forgotten.',
      everyMs: PRUNE_EVERY_MS,
      atOnce: true,
      run: (stopping) => inFullSteps(AT_ONCE, stopping, () => repository.prune(AT_ONCE)),
    });
  }
}
