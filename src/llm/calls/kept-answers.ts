import os from 'node:os';
import { Places, type ShareOwner } from '../../platform/shares/index.js';

const MIB = 1024 * 1024;
const PART_OF_MEMORY = 1 / 4;
const PART_OF_TENANT = 1 / 2;
const PART_OF_ORG = 5 / 8;
const BY_MEMORY = 'the memory of the process';

/**
 * The memory of large answers that are not streams: kept until they are whole and their callers have taken them. A tenant can
 * choose the server that answers, so that each tenant has a part of it.
 */
export class KeptAnswers {
  /** One for each MiB. */
  readonly places: Places;

  constructor(mostBytes = Math.min(os.totalmem(), process.constrainedMemory() || Infinity) * PART_OF_MEMORY) {
    const most = Math.max(1, Math.floor(mostBytes / MIB));
    this.places = new Places({
      what: 'mebibytes of answers',
      most,
      ofTenant: Math.ceil(most * PART_OF_TENANT),
      ofOrg: Math.ceil(most * PART_OF_ORG),
      ofTenantSetting: BY_MEMORY,
      ofOrgSetting: BY_MEMORY,
      allSetting: BY_MEMORY,
    });
  }

  /** Room for the answer of one call, empty as yet. */
  roomOf(owner: ShareOwner): AnswerRoom {
    return new AnswerRoom(this.places, owner);
  }
}

export class AnswerRoom {
  private taken = 0;

  constructor(
    private readonly places: Places,
    private readonly owner: ShareOwner,
  ) {}

  /** @returns false: there is no room for it */
  growBy(bytes: number): boolean {
    for (let left = bytes; left > 0; left -= MIB) {
      if (!this.places.takeIfFree(this.owner)) return false;
      this.taken += 1;
    }
    return true;
  }

  release(): void {
    for (; this.taken > 0; this.taken -= 1) this.places.leave(this.owner);
  }
}
