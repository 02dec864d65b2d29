// Sources import `./x.js`, as ES modules must; on disk it is `./x.ts` until it is built. Packages keep their own files.
module.exports = (request, options) => {
  if (/^\.{1,2}\/.*\.js$/.test(request) && !options.basedir.includes('node_modules')) {
    try {
      return options.defaultResolver(request.replace(/\.js$/, '.ts'), options);
    } catch {
      // A generated or plain JavaScript module: resolved below under its own name.
    }
  }
  return options.defaultResolver(request, options);
};
