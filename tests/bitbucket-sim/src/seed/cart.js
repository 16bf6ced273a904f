const _ = require("lodash");

/** The sum of a cart's lines, in cents. */
function total(lines) {
  return _.sumBy(lines, (line) => line.price * line.count);
}

/** One line for each article, with the counts added up. */
function merge(lines) {
  return _.map(_.groupBy(lines, "article"), (same) => ({
    ...same[0],
    count: _.sumBy(same, "count"),
  }));
}

module.exports = { merge, total };
