# The service in production. Built and read on machines without a container engine: test/contracts/documents.spec.ts holds
# it against the configuration and package.json.

FROM node:24-bookworm AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY .swcrc nest-cli.json tsconfig.json prisma.config.ts ./
COPY prisma prisma
COPY scripts/build.mjs scripts/
COPY src src
RUN npm run build
COPY scripts/build-guide.mjs scripts/
COPY scripts/guide scripts/guide
COPY README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md ./
COPY docs docs
RUN npm run docs:site
COPY scripts/build-dashboard.mjs scripts/
COPY dashboard dashboard
RUN node scripts/build-dashboard.mjs --thorough

# What the service runs on, and no more: neither development's tools nor, among the optional packages, the embedded Postgres.
FROM node:24-bookworm AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM node:24-bookworm-slim
WORKDIR /app
# GATEHOUSE_DEV=0: without a DATABASE_URL this image says what is missing, instead of looking for its embedded Postgres.
# METRICS_HOST: loopback in a container is out of every scraper's reach; publish the port to your scrapers alone.
ENV NODE_ENV=production GATEHOUSE_DEV=0 HOST=0.0.0.0 PORT=3000 METRICS_HOST=0.0.0.0 METRICS_PORT=9464
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/site site
COPY --from=build /app/dashboard/dist dashboard/dist
COPY package.json ./
# `docker compose exec gatehouse bin/gatehouse.mjs doctor`
COPY bin bin
COPY prisma/migrations prisma/migrations
COPY prisma/functions prisma/functions
COPY prisma/isolation.txt prisma/isolation.txt
# The answers that /openapi.json shows.
COPY docs/openapi.answers.json docs/
# Everything above belongs to root: the process can read its own code, and not change it.
USER node
EXPOSE 3000 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/live`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# The same flags as `npm start`: a young generation of one size on every machine, so that memory stays flat under load.
CMD ["node", "--enable-source-maps", "--max-semi-space-size=32", "--heap-growing-percent=20", "--no-allocation-site-pretenuring", "dist/main.js"]
