# dubkit as a server: the page and the API.
#
#     docker build -t dubkit .                                          # on a CPU
#     docker build -t dubkit:cuda --build-arg EXTRAS=offline,mcp,gpu .  # torch brings CUDA's libraries
#     docker run -e DUBKIT_API_KEY=SECRET -p 127.0.0.1:7860:7860 -v dubkit:/data dubkit
#
# With a GPU, `docker run --gpus all` and NVIDIA's container toolkit give it the driver. Any other
# command of dubkit runs, too: docker run -v "$PWD:/videos" -w /videos dubkit talk.mp4 --subs
FROM python:3.12-slim

ARG EXTRAS=offline,mcp

WORKDIR /src
COPY . .
RUN pip install --no-cache-dir -c tests/constraints.txt ".[${EXTRAS}]" \
    && useradd --create-home --uid 1000 dubkit \
    && install -d -o dubkit /data /videos

USER 1000
WORKDIR /videos
# Models of the hub, caches and what requests leave for a while are in one volume.
ENV HF_HOME=/data/models XDG_CACHE_HOME=/data/cache XDG_STATE_HOME=/data/state
VOLUME /data
EXPOSE 7860
HEALTHCHECK --start-period=60s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/healthz', timeout=5)"]
ENTRYPOINT ["dubkit"]
CMD ["serve", "--host", "0.0.0.0", "--port", "7860", "--data", "/data/server", "--root", "/videos"]
