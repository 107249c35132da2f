// Two conversations in one context of node-llama-cpp at the same time, and a third in the first one's place.
//     node llama_node.mjs MODEL.gguf      prints what they say, as JSON
import {getLlama} from "node-llama-cpp";

const llama = await getLlama({gpu: false, build: "never", logLevel: "error"});
const model = await llama.loadModel({modelPath: process.argv[2]});
const context = await model.createContext({sequences: 2, contextSize: 512, threads: 1});

async function chat(sequence, text, most) {
    const said = [];
    for await (const token of sequence.evaluate(Array.from(Buffer.from(text)), {temperature: 0}))
        if (said.push(token) == most)
            break;
    return said;
}

const one = context.getSequence();
const two = context.getSequence();
const said = await Promise.all([chat(one, "It was the best of times", 30), chat(two, "Call me Ishmael. Some years ago", 30)]);
await one.clearHistory();
said.push(await chat(one, "Happy families are all alike", 10));
console.log(JSON.stringify(said));
await context.dispose();
