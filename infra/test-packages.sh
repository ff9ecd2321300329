#!/usr/bin/env bash
# Brings what only tests need: Chromium for the pages (Playwright drives it), GStreamer's RTSP server as a camera.
# Installs by apt with root; without it those tests skip and say why.
set -euo pipefail

packages=()
command -v chromium >/dev/null || packages+=(chromium)
/usr/bin/python3 -c 'import gi; gi.require_version("GstRtspServer", "1.0"); from gi.repository import GstRtspServer' \
  2>/dev/null || packages+=(gir1.2-gst-rtsp-server-1.0 python3-gi)
command -v gst-inspect-1.0 >/dev/null && gst-inspect-1.0 h264parse >/dev/null 2>&1 ||
  packages+=(gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad)

[[ ${#packages[@]} -eq 0 ]] && exit 0
if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
  echo "installing for tests: ${packages[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
else
  echo "tests that need these packages will skip: ${packages[*]}" >&2
fi
