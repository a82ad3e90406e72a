import{a,b,c}from"./chunk-NPMI3U6Z.js";import"./chunk-IRPCUQ6K.js";import"./chunk-OPJL7NGZ.js";export{a as load,b as quantiles,c as seen};
