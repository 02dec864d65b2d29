import { logger } from '../../platform/logging/index.js';
import { ModelCatalogue, type Model } from './model-catalogue.js';

const model = (id: string): Model => ({ id, object: 'model', created: 1, owned_by: 'someone' });

describe('ModelCatalogue', () => {
  let nowMs: number;
  let asked: number;
  let listed: readonly Model[] | null | Error;
  let catalogue: ModelCatalogue;

  beforeEach(() => {
    logger.level = 'silent';
    nowMs = 0;
    asked = 0;
    listed = [model('a'), model('b:latest')];
    catalogue = new ModelCatalogue(
      'test',
      () => {
        asked += 1;
        return listed instanceof Error ? Promise.reject(listed) : Promise.resolve(listed);
      },
      () => nowMs,
    );
  });

  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it('answers a known model from memory', async () => {
    await catalogue.list();
    expect(catalogue.has('a')).toBe(true);
    expect(catalogue.has('b')).toBe(true);
    expect(await catalogue.get('a')).toEqual(model('a'));
    expect(asked).toBe(1);
  });

  it('refuses a model that the operator did not list, in OpenAI’s words, naming the field', async () => {
    const closed = ModelCatalogue.of('test', ['a']);
    await closed.assertServed('a');
    await expect(closed.assertServed('c')).rejects.toMatchObject({
      kind: 'not_found',
      code: 'model_not_found',
      message: 'The model `c` does not exist or you do not have access to it. Use one from GET /v1/models.',
      fields: [{ field: 'model' }],
    });
    await expect(closed.get('c')).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('passes a name that the provider does not list to the provider, and does not wait for the list', async () => {
    await catalogue.list();
    await catalogue.assertServed('a:nitro');
    const silent = new ModelCatalogue('test', () => new Promise(() => undefined));
    await silent.assertServed('my-deployment');
    await expect(catalogue.get('a:nitro')).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('asks again for an unknown one at most every 30 seconds', async () => {
    await expect(catalogue.get('c')).rejects.toThrow();
    nowMs = 29_000;
    await expect(catalogue.get('c')).rejects.toThrow();
    expect(asked).toBe(1);
    nowMs = 31_000;
    listed = [model('c')];
    await catalogue.get('c');
    expect(asked).toBe(2);
  });

  it('asks again in the background after ten minutes, and no call waits for it', async () => {
    await catalogue.list();
    nowMs = 601_000;
    listed = [model('c')];
    expect(catalogue.has('a')).toBe(true);
    await settle();
    expect(asked).toBe(2);
    expect(catalogue.has('a')).toBe(false);
    expect(catalogue.has('c')).toBe(true);
  });

  it("keeps an older list when a new one can't be fetched", async () => {
    await catalogue.list();
    nowMs = 601_000;
    listed = new Error('down');
    expect(catalogue.has('a')).toBe(true);
    await settle();
    expect(catalogue.has('a')).toBe(true);
    await expect(catalogue.get('c')).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('accepts any name where there is no list, without asking each time', async () => {
    listed = null;
    await catalogue.list();
    nowMs = 60_000;
    expect(catalogue.has('y')).toBe(true);
    expect(await catalogue.get('z')).toEqual({ id: 'z', object: 'model', created: 0, owned_by: 'test' });
    expect(asked).toBe(1);
  });
});
