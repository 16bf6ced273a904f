const express = require("express");
const { merge, total } = require("./cart");

const app = express();
app.use(express.json());

app.post("/cart/total", (request, response) => {
  const lines = merge(request.body.lines ?? []);
  response.json({ lines, total: total(lines) });
});

app.listen(process.env.PORT ?? 3000);
