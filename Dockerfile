# The Derin server. Build and run:
#
#   docker build -t derin .
#   docker run -p 127.0.0.1:50051:50051 -p 127.0.0.1:9464:9464 -v derin:/var/lib/derin derin
#
# For NVIDIA's GPUs, with the driver and its container toolkit on the machine; without a GPU it runs on the processor:
#
#   docker build -t derin --build-arg DEVICE=cuda .
#   docker run --gpus all -p 127.0.0.1:50051:50051 -p 127.0.0.1:9464:9464 -v derin:/var/lib/derin derin
ARG DEVICE=cpu

FROM debian:bookworm AS build-cpu
WORKDIR /derin
# The packages first: a changed source does not install them again.
COPY deploy/install-dependencies.sh deploy/
RUN deploy/install-dependencies.sh build
ENV DERIN_CUDA=OFF

FROM build-cpu AS build-cuda
COPY deploy/cuda-requirements.txt deploy/
RUN deploy/install-dependencies.sh cuda \
 && python3 -m pip install --quiet --no-cache-dir --no-deps --target /cuda -r deploy/cuda-requirements.txt
ENV DERIN_CUDA=ON

# What the image gets is put together in /out.
# hadolint ignore=DL3006
FROM build-${DEVICE} AS build
WORKDIR /derin
COPY CMakeLists.txt CMakePresets.json ./
COPY proto proto
COPY model model
COPY server server
COPY client client
RUN cmake --preset release -DDERIN_TESTS=OFF -DDERIN_CUDA="$DERIN_CUDA" -DDERIN_NVCC=/cuda/nvidia/cu13/bin/nvcc \
 && cmake --build --preset release --target derind derin \
 && mkdir -p /out/bin /out/lib/derin \
 && cp build/release/bin/derind build/release/bin/derin /out/bin \
 && if [ "$DERIN_CUDA" = ON ]; then \
      cp build/release/lib/derin/libderin_cuda.so build/release/lib/derin/derin_cuda_timing /out/lib/derin \
      && mkdir -p /out/lib/derin/nvidia/cudnn/lib /out/lib/derin/nvidia/cu13/lib \
      && cp /cuda/nvidia/cudnn/lib/libcudnn*.so.9 /out/lib/derin/nvidia/cudnn/lib \
      && cp /cuda/nvidia/cu13/lib/libcublasLt.so.13 /cuda/nvidia/cu13/lib/libcublas.so.13 \
            /cuda/nvidia/cu13/lib/libnvrtc*.so.13* /out/lib/derin/nvidia/cu13/lib; \
    fi \
 && find /out/bin /out/lib/derin -maxdepth 1 -type f -exec strip {} +

FROM debian:bookworm
# What was built when, for those who list what they run; with the packages that dpkg knows it is the image's bill of
# materials. `--build-arg REVISION=$(git rev-parse HEAD) --build-arg CREATED=$(date -u +%FT%TZ)` fills in the two.
ARG DEVICE
ARG REVISION=""
ARG CREATED=""
LABEL org.opencontainers.image.title="derin" \
      org.opencontainers.image.description="Trains recurrent language models on request and serves text from them" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm" \
      derin.device="$DEVICE"
COPY deploy/install-dependencies.sh /tmp/
RUN /tmp/install-dependencies.sh runtime \
 && rm -rf /tmp/install-dependencies.sh /var/lib/apt/lists/* \
 && groupadd --gid 10001 derin \
 && useradd --uid 10001 --gid derin --home-dir /var/lib/derin --create-home --shell /usr/sbin/nologin derin
COPY --from=build /out/ /usr/local/
# All shared libraries are there, or this is no image.
RUN derind --version && derin --version \
 && find /usr/local/lib/derin -name '*.so*' -exec ldd {} + >/tmp/libraries \
 && ! grep 'not found' /tmp/libraries && rm /tmp/libraries
# By numbers, so that Kubernetes sees that it is not root.
USER 10001:10001
WORKDIR /var/lib/derin
VOLUME /var/lib/derin
EXPOSE 50051 9464
# The metrics port has neither TLS nor tokens, which those of gRPC may; the image has no client of HTTP but bash. Where
# another --metrics-listen is given, `docker run` wants another --health-cmd too, or --no-healthcheck.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["bash", "-c", \
  "exec 3<>/dev/tcp/127.0.0.1/9464 && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r -a status <&3 && [[ ${status[1]} == 200 ]]"]
# A container listens beyond itself, or nobody reaches it; who does is decided by the ports that are published. Options
# given to `docker run` are added to these, and of one given twice the last counts.
ENTRYPOINT ["derind", "--listen", "0.0.0.0:50051", "--allow-insecure-remote", \
            "--metrics-listen", "0.0.0.0:9464", "--data-dir", "/var/lib/derin"]
