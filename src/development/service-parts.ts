/** What only a starting service needs. Apart, so that commands need not load the whole service for a token. */
export async function loadServiceParts() {
  const [{ developmentParts }, { quickstart }] = await Promise.all([
    import('./development.module.js'),
    import('./quickstart.js'),
  ]);
  return { developmentParts, quickstart };
}
