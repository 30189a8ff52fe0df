# sfc for the CPU; with CUDA: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130
FROM python:3.13-slim AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /source
# torch and torchvision from one index, before everything else, so that a change of sfc does not fetch them again.
RUN python -m venv /opt/sfc \
    && /opt/sfc/bin/pip install --no-cache-dir "torch>=2.11" "torchvision>=0.26" --index-url "$TORCH_INDEX"
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY sfc_cli ./sfc_cli
# OpenCV's build without windows needs no library of a desktop.
RUN /opt/sfc/bin/pip install --no-cache-dir . \
    && /opt/sfc/bin/pip uninstall --yes opencv-python \
    && /opt/sfc/bin/pip install --no-cache-dir "opencv-python-headless>=4.12"

FROM python:3.13-slim
COPY --from=build /opt/sfc /opt/sfc
RUN useradd --uid 1000 --create-home sfc
USER 1000
WORKDIR /work
ENTRYPOINT ["/opt/sfc/bin/sfc"]
CMD ["--help"]
