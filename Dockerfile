# trionet in a container: `docker build -t trionet .`, then `docker run -p 22223:22223 trionet`.
# docs/operations.md, "In a container", says more.

FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m venv /opt/trionet \
    && /opt/trionet/bin/pip install --no-cache-dir --disable-pip-version-check '.[all]'

FROM python:3.13-slim
COPY --from=build /opt/trionet /opt/trionet
# The history is kept in the volume, and nothing else is written.
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin trionet \
    && install --directory --owner=trionet --group=trionet --mode=0700 /var/lib/trionet
ENV PATH=/opt/trionet/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
VOLUME /var/lib/trionet
EXPOSE 22223
# `docker stop` waits 10 seconds, longer than the drain.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=5s \
    CMD ["trionet", "health", "localhost:22223", "--timeout", "5"]
ENTRYPOINT ["trionet"]
CMD ["chat", "serve", ":22223", "--forever", "--quiet", "--history", "/var/lib/trionet/history"]
