#!/bin/sh
# Makes src/gypsum/viewer/page/libraries.js anew: what the viewer's page needs of three.js and Spark, in
# one file, so that a model can be looked at without a network. Needs npm; run it to take other versions.
set -eu
THREE=0.183.2 SPARK=2.2.0 FFLATE=0.8.3 ESBUILD=0.28.2

page=$(cd "$(dirname "$0")/../src/gypsum/viewer/page" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --no-audit --no-fund --silent \
    "three@$THREE" "@sparkjsdev/spark@$SPARK" "fflate@$FFLATE" "esbuild@$ESBUILD"
cat > libraries.entry.js <<'JS'
export {
  AmbientLight, Box3, BufferGeometry, Color, DirectionalLight, DoubleSide, HemisphereLight, Line,
  LineBasicMaterial, Mesh, MeshBasicMaterial, MeshStandardMaterial, PerspectiveCamera, Points,
  PointsMaterial, Raycaster, Scene, SphereGeometry, Vector2, Vector3, WebGLRenderer,
} from "three";
export { OrbitControls } from "three/addons/controls/OrbitControls.js";
export { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
export { PLYLoader } from "three/addons/loaders/PLYLoader.js";
export { SparkRenderer, SplatFileType, SplatMesh } from "@sparkjsdev/spark";
JS
npx esbuild libraries.entry.js --bundle --minify --format=esm --target=es2022 \
    --legal-comments=none --log-level=error --outfile=libraries.js \
    --banner:js="// three.js $THREE, Spark $SPARK, fflate $FFLATE: see LICENSES.txt."
mv libraries.js "$page/libraries.js"
for library in three @sparkjsdev/spark fflate; do
    printf '%s %s\n\n' "$library" "$(node -p "require('./node_modules/$library/package.json').version")"
    cat "node_modules/$library/LICENSE"
    printf '\n\n'
done > "$page/LICENSES.txt"
