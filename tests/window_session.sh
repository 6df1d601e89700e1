#!/usr/bin/env bash
# A session at the window without a display: live picture, overlays, a look inside, an export, a
# recording and its replay, training. Fails where a file that it asked for is missing.
#
#     tests/window_session.sh target/release/poselens FOLDER
#
# leaves a picture of every view in FOLDER, and in FOLDER/cpu.txt how busy the program was with a
# paused picture. Needs Xvfb, a Vulkan driver for the processor (mesa-vulkan-drivers), xdotool and
# ImageMagick. The window is used through its keys and the command palette, so that moving a
# control breaks nothing here.
set -euo pipefail
shopt -s globstar dotglob
program=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
size=${POSELENS_SCREEN:-1280x800}

home=$(mktemp -d)
export HOME=$home XDG_RUNTIME_DIR=$home/run
unset XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME XDG_CACHE_HOME WAYLAND_DISPLAY
mkdir -m 700 "$XDG_RUNTIME_DIR"
exec 3> >(cat > "$home/display")
Xvfb -displayfd 3 -screen 0 "${size}x24" -nolisten tcp 2> /dev/null &
xvfb=$!
trap 'kill $window $xvfb 2> /dev/null; rm -rf "$home"' EXIT
window=
# A whole line: the number alone may be half of it.
until read -r number 2> /dev/null < "$home/display"; do sleep 0.1; done
export DISPLAY=:$number

"$program" gui --input sample > "$out/log.txt" 2>&1 &
window=$!
# The window is there before it is shown.
for _ in {1..100}; do
    id=$(xdotool search --onlyvisible --name PoseLens 2> /dev/null | head -1) || true
    [[ $id ]] && xdotool windowfocus "$id" 2> /dev/null && break
    sleep 0.2
done

shot() { sleep "${2:-1.5}"; import -window root "$out/$1.png"; echo "$1"; }
press() { xdotool key "$@"; sleep 0.5; }
ask() { press ctrl+k; xdotool type --delay 25 "$1"; sleep 0.7; press Return; sleep "${2:-1}"; }
need() { for _ in {1..50}; do compgen -G "$home/$1" > /dev/null && return; sleep 0.2; done
         echo "missing: $1" >&2; ls -R "$home" >&2; exit 1; }

shot live 4
press 2
shot heatmap 2
press 2 3
sleep 1
press Tab
shot attention 2
press 3
press space
press Left Left Left
shot paused
before=$(awk '{print $14 + $15}' "/proc/$window/stat")
sleep 10
after=$(awk '{print $14 + $15}' "/proc/$window/stat")
echo "$(((after - before) * 10)) ms of processor time in 10 s with a paused picture" | tee "$out/cpu.txt"

press i
ask "ask left wrist" 2
shot inspect
press ctrl+s
need "**/*.png"
ask "network tp-r-a3" 4
shot inspect-transformer 3
ask "network mca-2-slim" 5
shot inspect-parts 3
ask "network tp-r-a3" 3
ask "compare with sfm" 2
shot inspect-two 3
ask "compare no other"
press i
press space
press r
sleep 3
shot recording 0
press r
need "**/session.toml"
for file in raw.mp4 annotated.mp4 poses.jsonl coco.json; do need "**/$file"; done
shot recorded 2
ask "open recording" 3
shot recording-inspected
press t
shot train
press F1
shot keys
press Escape
press ctrl+k
shot palette
press Escape
press ctrl+comma
shot settings
press Escape
ask "about poselens"
shot about
press Escape
