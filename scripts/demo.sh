#!/bin/sh
# Makes the sample capture, scans it and says where the results are. Called by `make demo`.
set -eu
cd "$(dirname "$0")/.."

gypsum=.venv/bin/gypsum
demo=$PWD/demo

echo "gypsum: making a sample capture of about 30 photos in demo/sample"
"$gypsum" sample demo/sample
echo "gypsum: turning demo/sample/photos into demo/sculpture.glb; this takes some minutes"
"$gypsum" scan demo/sample/photos -o demo/sculpture.glb

cat <<END

Done. Have a look:
  model    $demo/sculpture.glb
  picture  $demo/sculpture.gypsum/previews/model.png
  report   $demo/sculpture.gypsum/report.html
Open the model in Blender (File > Import > glTF 2.0) or drop it into any glTF viewer.
Next, your own photos:  .venv/bin/gypsum scan PHOTOS -o MODEL.glb
END
