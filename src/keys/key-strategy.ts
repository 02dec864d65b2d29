import { HeaderAPIKeyStrategy } from 'passport-headerapikey';

/** Without the wrapper of @nestjs/passport, which always waits: a known key is judged at once. */
export function keyStrategy<Verified extends object>(
  judge: (key: string) => Verified | Promise<Verified>,
): HeaderAPIKeyStrategy {
  return new HeaderAPIKeyStrategy({ header: 'X-API-Key', prefix: '' }, false, (key, done) => {
    const judged = judge(key);
    if (judged instanceof Promise) judged.then((verified) => done(null, verified), done);
    else done(null, judged);
  });
}
