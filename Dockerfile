# One image for every role: `docker run IMAGE worker|api|board`. Built by any engine that knows multi-stage builds.
# Base: a release of Node on Debian, because claude's Linux executable wants glibc. Pin its digest where you need to.
ARG NODE_IMAGE=node:22.23.3-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
# What the lockfile names, first: this layer is kept until the lockfile changes.
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
COPY scripts/pn.mjs scripts/
RUN node scripts/pn.mjs fetch
COPY . .
RUN node scripts/pn.mjs install --frozen-lockfile --prefer-offline \
  && node scripts/pn.mjs exec turbo run build \
  && node scripts/production-tree.mjs /out

FROM ${NODE_IMAGE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="claude-fleet" \
  org.opencontainers.image.description="A job-queue worker fleet for the claude command line" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.licenses="MIT"
# tini: PID 1, which reaps what tools leave behind. git: claude's own tools use it. setpriv is in the base (util-linux).
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates git tini \
  && rm -rf /var/lib/apt/lists/* \
  && setpriv --version \
  && install -d -o 1000 -g 1000 /var/lib/claude-fleet/workspaces /var/lib/claude-fleet/state
# Owned by root: neither the service nor a tool of a job can change the program.
COPY --from=build /out /opt/claude-fleet
RUN ln -s /opt/claude-fleet/apps/cli/bin/claude-fleet.mjs /usr/local/bin/claude-fleet && claude-fleet --version
ENV NODE_ENV=production \
  FLEET_WORKSPACE_ROOT=/var/lib/claude-fleet/workspaces \
  FLEET_STATE_DIR=/var/lib/claude-fleet/state \
  FLEET_HEALTH_DIR=/var/lib/claude-fleet/state/health
WORKDIR /var/lib/claude-fleet
USER 1000:1000
EXPOSE 3000 3001
STOPSIGNAL SIGTERM
# No `tini -g`: SIGTERM is for the service alone, which lets its claude processes finish. A signal to the whole group
# would end them in the middle of a turn.
ENTRYPOINT ["tini", "--", "claude-fleet"]
CMD ["worker"]
