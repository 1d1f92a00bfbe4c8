// Reads a repository with npm's @huggingface/hub: node read_back.mjs HUB REPO REVISION TOKEN FOLDER
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { downloadFile, listFiles } from "@huggingface/hub";

const [hubUrl, name, revision, accessToken, folder] = process.argv.slice(2);
const where = { repo: { type: "model", name }, revision, accessToken, hubUrl };
await mkdir(folder);
for await (const file of listFiles(where)) {
    const blob = await downloadFile({ ...where, path: file.path, xet: false });
    await writeFile(join(folder, file.path), Buffer.from(await blob.arrayBuffer()));
}
