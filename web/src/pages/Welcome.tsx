/** For those who are here for the first time. */
import type { JSX } from "preact";
import { ButtonLink } from "../parts/Button.tsx";
import { Icon, type IconName } from "../parts/Icon.tsx";

const STEPS: [icon: IconName, title: string, text: string][] = [
  ["camera", "Walk around it", "Thirty to sixty photos or a short clip from a phone, in small steps, from all sides."],
  ["upload", "Send them", "Drop them here, or take them right now. A lost connection or a closed tab costs nothing."],
  ["sliders", "Say what you need", "Format, triangles, texture; what you leave alone is chosen sensibly."],
  ["cube", "Take the model", "Turn it in the browser, measure, see it in your room, download it, share it by a link."],
];

export function Welcome(): JSX.Element {
  return (
    <main id="main" class="welcome">
      <section class="hero">
        <div>
          <h1>Photos in.<br />A 3D model out.</h1>
          <p class="lead">
            Gypsum turns photos of a thing or a place into a textured 3D model. It is open source and
            runs on this server's own processors: your photos go nowhere else.
          </p>
          <p class="actions start">
            <ButtonLink kind="main" icon="arrow" to="/sign-up">Make an account</ButtonLink>
            <ButtonLink to="/gallery">See what others made</ButtonLink>
          </p>
        </div>
        <div class="stages">
          <figure><img src="/pictures/photo.webp" width="480" height="600" alt="A photo of a painted owl on a table" /><figcaption>One of thirty photos</figcaption></figure>
          <figure><img src="/pictures/shape.webp" width="480" height="600" alt="The owl's shape in grey" /><figcaption>The shape they hold</figcaption></figure>
          <figure><img src="/pictures/model.webp" width="480" height="600" alt="The textured model of the owl" /><figcaption>The model</figcaption></figure>
        </div>
      </section>
      <section class="steps" aria-labelledby="how">
        <h2 id="how">How it works</h2>
        <ol>
          {STEPS.map(([icon, title, text]) => (
            <li key={title}><Icon name={icon} /><h3>{title}</h3><p>{text}</p></li>
          ))}
        </ol>
      </section>
      <section class="facts">
        <p><b>Yours.</b> Scans are private until you share them. Deleting really deletes. Places are taken out of everything public.</p>
        <p><b>Open.</b> GLB, USDZ, OBJ, FBX, PLY, STL and splats; a documented API with keys and webhooks.</p>
        <p><b>Honest.</b> A report says what became of each photo, how exact the model is, and what to photograph again.</p>
      </section>
    </main>
  );
}
