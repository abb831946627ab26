# The image holds programs and no data, so the root file system can be read-only. The data is in the volume /data (the
# embedded PostgreSQL and the secret), or on the server that PALIMPSEST_DATABASE_URL names.
FROM python:3.12-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/palimpsest
COPY image.lock ./
RUN /opt/palimpsest/bin/pip install --no-cache-dir --require-hashes -r image.lock
COPY pyproject.toml README.md LICENSE ./
COPY domain domain
COPY projections projections
COPY service service
RUN /opt/palimpsest/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.12-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin palimpsest \
    && install -d -o palimpsest -g palimpsest -m 700 /data
COPY --from=build /opt/palimpsest /opt/palimpsest
ENV PATH=/opt/palimpsest/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PALIMPSEST_HOST=0.0.0.0 \
    PALIMPSEST_PORT=8000 \
    PALIMPSEST_DATA_DIR=/data
USER palimpsest
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/ready', timeout=2)"]
ENTRYPOINT ["palimpsest"]
CMD ["serve"]
