# The Derin server. Build and run:
#
#   docker build -t derin .
#   docker run -p 127.0.0.1:50051:50051 -p 127.0.0.1:9464:9464 -v derin:/var/lib/derin derin
FROM debian:bookworm AS build
WORKDIR /derin
# The packages first: a changed source does not install them again.
COPY deploy/install-dependencies.sh deploy/
RUN deploy/install-dependencies.sh build
COPY CMakeLists.txt CMakePresets.json ./
COPY proto proto
COPY model model
COPY server server
COPY client client
RUN cmake --preset release -DDERIN_TESTS=OFF \
 && cmake --build --preset release --target derind derin \
 && strip build/release/bin/derind build/release/bin/derin

FROM debian:bookworm
COPY deploy/install-dependencies.sh /tmp/
RUN /tmp/install-dependencies.sh runtime \
 && rm -rf /tmp/install-dependencies.sh /var/lib/apt/lists/* \
 && useradd --system --user-group --home-dir /var/lib/derin --create-home --shell /usr/sbin/nologin derin
COPY --from=build /derin/build/release/bin/derind /derin/build/release/bin/derin /usr/local/bin/
# All shared libraries are there, or this is no image.
RUN derind --version && derin --version
USER derin
WORKDIR /var/lib/derin
VOLUME /var/lib/derin
EXPOSE 50051 9464
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["derin", "status"]
# A container listens beyond itself, or nobody reaches it; who does is decided by the ports that are published. Options
# given to `docker run` are added to these, and of one given twice the last counts.
ENTRYPOINT ["derind", "--listen", "0.0.0.0:50051", "--allow-insecure-remote", \
            "--metrics-listen", "0.0.0.0:9464", "--data-dir", "/var/lib/derin"]
