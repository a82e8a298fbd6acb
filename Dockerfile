# The full image has what SQLite's driver needs where it has to be compiled.
FROM node:22.21.1-bookworm AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
# The drivers of all engines stay, which are optional elsewhere.
RUN npm run build && node scripts/keep-drivers.mjs && npm prune --omit=dev

FROM node:22.21.1-bookworm-slim
# For TLS to Temporal: its client reads the system's certificates.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
RUN chmod +x dist/cli/main.js \
  && ln -s /app/dist/cli/main.js /usr/local/bin/batchtrail \
  && install -d -o node -g node /data
USER node
ENTRYPOINT ["batchtrail"]
CMD ["worker"]
