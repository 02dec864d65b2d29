import { LONG_WINDOW_SECONDS, SHORT_WINDOW_SECONDS, describeRateWindows } from '../../../test/support/rate-windows.js';
import { MemoryRateWindowStore } from './memory-rate-window.store.js';

describeRateWindows('windows in memory', () =>
  Promise.resolve({
    long: [new MemoryRateWindowStore(LONG_WINDOW_SECONDS * 1000)],
    short: [new MemoryRateWindowStore(SHORT_WINDOW_SECONDS * 1000)],
    close: () => Promise.resolve(),
  }),
);
