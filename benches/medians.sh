#!/usr/bin/env bash
# Median rate of each kind of line of a bench's output: benches/encoder.sh .. | benches/medians.sh [sentences/cpu-s]
awk -v kind="${1:-sentences/s}" '{ for (i = 1; i <= NF; i++) if ($i == kind) rate = $(i - 1); key = $1 " " $2 ($2 == "train" ? " " $3 : ""); n[key]++; all[key, n[key]] = rate }
     END { for (key in n) { m = n[key]; for (i = 1; i <= m; i++) v[i] = all[key, i] + 0
           for (i = 1; i <= m; i++) for (j = i + 1; j <= m; j++) if (v[j] < v[i]) { t = v[i]; v[i] = v[j]; v[j] = t }
           print key, "median", v[int((m + 1) / 2)], "of", m } }' | sort
