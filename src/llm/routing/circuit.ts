import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { Metrics } from '../../platform/metrics/index.js';

export type CircuitSettings = Pick<Settings, 'circuitFailures' | 'circuitOpenMs'>;

/** However long a target asks to be left alone. */
const MOST_OPEN_MS = 60_000;
/** Each is a few numbers; the least recently used go first. */
const MOST_CIRCUITS = 10_000;

/**
 * Whether a target is asked at all. So many failures in a row open it: calls pass the target over. After a time one call is
 * let through, as a probe; its success closes the circuit, its failure opens it again. A probe that never ends is followed
 * by the next one after the same time, so that no call has to give anything back.
 */
export class Circuit {
  private failures = 0;
  private openUntilMs = 0;

  constructor(
    private readonly settings: CircuitSettings,
    private readonly onOpened: () => void = () => undefined,
  ) {}

  get isOpen(): boolean {
    return this.failures >= this.settings.circuitFailures;
  }

  /** Takes the probe where it is time for one. @returns false: the target is passed over */
  admits(nowMs: number): boolean {
    if (!this.isOpen) return true;
    if (nowMs < this.openUntilMs) return false;
    this.openUntilMs = nowMs + this.settings.circuitOpenMs;
    return true;
  }

  /** How long until it lets a call through. */
  waitMs(nowMs: number): number {
    return this.isOpen ? Math.max(0, this.openUntilMs - nowMs) : 0;
  }

  succeeded(): void {
    this.failures = 0;
  }

  /** @param restMs how long the target asked to be left alone; 0: it did not ask */
  failed(nowMs: number, restMs: number): void {
    const wasOpen = this.isOpen;
    this.failures += 1;
    if (!this.isOpen) return;
    this.openUntilMs = nowMs + Math.max(this.settings.circuitOpenMs, Math.min(restMs, MOST_OPEN_MS));
    if (!wasOpen) this.onOpened();
  }
}

/** The circuits of this process: one for each tenant, provider and model. They outlast a change of the routes. */
@Injectable()
export class Circuits {
  private readonly circuits = new Map<string, Circuit>();
  private opened = 0;

  constructor(
    @Inject(SETTINGS_TOKEN) private readonly settings: CircuitSettings,
    metrics: Metrics,
  ) {
    metrics.read(
      'gatehouse_provider_circuits_open',
      () => [...this.circuits.values()].filter(({ isOpen }) => isOpen).length,
    );
    metrics.read('gatehouse_provider_circuits_opened_total', () => this.opened);
  }

  of(tenantId: string, providerId: string, model: string): Circuit {
    const key = JSON.stringify([tenantId, providerId, model]);
    const known = this.circuits.get(key);
    // Written anew, the key becomes the youngest.
    if (known !== undefined) this.circuits.delete(key);
    const circuit = known ?? new Circuit(this.settings, () => (this.opened += 1));
    this.circuits.set(key, circuit);
    const oldest = this.circuits.size > MOST_CIRCUITS ? this.circuits.keys().next().value : undefined;
    if (oldest !== undefined) this.circuits.delete(oldest);
    return circuit;
  }
}
