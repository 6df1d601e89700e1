#!/usr/bin/env bash
# A long run at 30 frames a second, live, with recording and attention maps: memory, open handles,
# threads and latency once a second, a plot, and whether they stay flat.
#
#     tests/soak.sh target/release/poselens FOLDER [MINUTES] [headless|window]
#
# leaves headless.csv, headless.png and headless.txt (or window.*) in FOLDER. 30 minutes unless said
# otherwise, half a minute at least. `window` needs Xvfb, a Vulkan driver for the processor
# (mesa-vulkan-drivers) and xdotool; the plot needs ImageMagick and some font (SOAK_FONT=FILE.ttf).
set -euo pipefail
program=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
seconds=$(awk "BEGIN { print int(60 * ${3:-30}) }")
kind=${4:-headless}

home=$(mktemp -d)
export HOME=$home XDG_RUNTIME_DIR=$home/run
unset XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME XDG_CACHE_HOME WAYLAND_DISPLAY
mkdir -m 700 "$XDG_RUNTIME_DIR"
trap 'kill $pid $xvfb 2> /dev/null; rm -rf "$home"' EXIT
pid= xvfb=
log=$home/log.txt
options=(--log warn,poselens_app::figures=trace --threads "${SOAK_THREADS:-2}")

case $kind in
headless)
    "$program" "${options[@]}" run --input synthetic:live --live --overlay skeleton,attention \
        --record "$home/out.mp4" --write-json "$home/out.jsonl" > "$home/summary.txt" 2> "$log" &
    pid=$!
    ;;
window)
    exec 3> >(cat > "$home/display")
    Xvfb -displayfd 3 -screen 0 1280x800x24 -nolisten tcp 2> /dev/null &
    xvfb=$!
    until read -r number 2> /dev/null < "$home/display"; do sleep 0.1; done
    export DISPLAY=:$number
    "$program" "${options[@]}" gui --input synthetic:live > "$home/summary.txt" 2> "$log" &
    pid=$!
    for _ in {1..300}; do
        id=$(xdotool search --onlyvisible --name PoseLens 2> /dev/null | head -1) || true
        [[ $id ]] && xdotool windowfocus "$id" 2> /dev/null && break
        sleep 0.2
    done
    sleep 5
    xdotool key 3
    sleep 1
    xdotool key r
    ;;
*)
    echo "headless or window, not $kind" >&2
    exit 2
    ;;
esac

csv=$out/$kind.csv
echo "second,rss_mib,handles,threads,latency_p50_ms,latency_p95_ms,frames,drops" > "$csv"
# A number behind NAME= in the newest line of figures.
figure() { sed -n "s/.*\b$1=\([-0-9.NaNe]*\).*/\1/p" <<< "$line"; }
begin=$SECONDS
while ((SECONDS - begin < seconds)); do
    sleep 1
    [[ -d /proc/$pid ]] || { echo "ended early:" >&2; tail -5 "$log" >&2; exit 1; }
    rss=$(awk '/^VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$pid/status")
    threads=$(awk '/^Threads/ { print $2 }' "/proc/$pid/status")
    handles=$(ls "/proc/$pid/fd" | wc -l)
    line=$(tail -c 2000 "$log" | grep 'figures' | tail -1 | sed 's/\x1b\[[0-9;]*m//g') || true
    echo "$((SECONDS - begin)),$rss,$handles,$threads,$(figure p50_ms),$(figure p95_ms),$(figure frames),$(figure drops)" >> "$csv"
done

if [[ $kind == window ]]; then
    import -window root "$out/window-end.png" 2> /dev/null || true
    xdotool key r
    sleep 5
fi
kill -TERM "$pid"
wait "$pid" && code=0 || code=$?
recorded=$(find "$home" -name '*.mp4' -exec du -cm {} + | tail -1 | cut -f1)

# The first sixth is for caches to fill. Flat: along the line of least squares, memory grows by less
# than 5 %; the last third has no more handles and threads at most than the third before; its median
# latency is at most half as long again, as other work on the machine moves it, too.
awk -F, -v code="$code" -v recorded="$recorded" -v kind="$kind" '
function median(values, n,   i, j, t) {
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && values[j] < values[j - 1]; j--) {
            t = values[j]; values[j] = values[j - 1]; values[j - 1] = t
        }
    return n ? values[int((n + 1) / 2)] : 0
}
NR > 1 { rows[++n] = $0; if ($7 != "") { frames = $7; drops = $8 } }
END {
    from = int(n / 6) + 1
    third = from + int((n - from) / 2)
    for (i = from; i <= n; i++) {
        split(rows[i], f, ",")
        m++; sx += f[1]; sy += f[2]; sxx += f[1] * f[1]; sxy += f[1] * f[2]
        late = i > third
        if (f[3] > handles[late]) handles[late] = f[3]
        if (f[4] > threads[late]) threads[late] = f[4]
        if (f[5] + 0 > 0) { if (late) b[++nb] = f[5] + 0; else a[++na] = f[5] + 0 }
        if (f[2] > most) most = f[2]
    }
    slope = m * sxx > sx * sx ? (m * sxy - sx * sy) / (m * sxx - sx * sx) : 0
    growth = 100 * slope * (n - from) / (sy / m)
    before = median(a, na); after = median(b, nb)
    printf "%s: %d s, %d frames, %d dropped, %d MB of video, exit code %d\n", kind, n, frames, drops, recorded, code
    printf "memory: mean %.1f MiB, at most %.1f MiB, growth %+.2f %% (%.2f MiB an hour)\n", sy / m, most, growth, slope * 3600
    printf "handles: at most %d, then %d; threads: at most %d, then %d\n", handles[0], handles[1], threads[0], threads[1]
    printf "latency: median %.1f ms, then %.1f ms\n", before, after
    flat = growth < 5 && handles[1] <= handles[0] && threads[1] <= threads[0] && after <= 1.5 * before && code == 0
    print flat ? "flat" : "NOT flat"
    exit !flat
}' "$csv" | tee "$out/$kind.txt"

# One curve under the other, each from 0 to its maximum: a caption and a line of points for each.
awk -F, -v kind="$kind" '
BEGIN { split("2,3,4,5", column, ","); split("memory MiB,open handles,threads,latency p50 ms", name, ",") }
NR > 1 { n++; last = $1; for (k = 1; k <= 4; k++) { v[k, n] = $column[k] + 0; if (v[k, n] > top[k]) top[k] = v[k, n] } }
END {
    for (k = 1; k <= 4; k++) {
        y = 105 * k
        printf "fill black stroke none text 8,%d \"%s: %s, 0 to %.0f, %.0f minutes\"\n", y - 80, kind, name[k], top[k], last / 60
        printf "fill none stroke #bbb line 8,%d 712,%d\n", y, y
        printf "fill none stroke #0072B2 polyline"
        for (i = 1; i <= n; i++) printf " %.1f,%.1f", 8 + 704 * i / n, y - 72 * v[k, i] / (top[k] ? top[k] : 1)
        print ""
    }
}' "$csv" > "$home/plot.txt"
draw=()
while read -r line; do draw+=(-draw "$line"); done < "$home/plot.txt"
font=${SOAK_FONT:-$(fc-match -f '%{file}' sans 2> /dev/null)} || true
convert -size 720x440 xc:white ${font:+-font "$font"} "${draw[@]}" -colors 16 "$out/$kind.png"
