# fish completion for mtdkeep. The program itself says what may come: words, one a
# line, or :files, :folders, :programs, which the shell knows better.
function __mtdkeep_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l before (string match -r -- '^--[^=]*=' $word)
    set -l lines ($words[1] __complete plain $words[2..-1] $word 2>/dev/null)
    set -l value (string replace -r -- '^--[^=]*=' '' $word)
    switch "$lines[1]"
        case :files
            __fish_complete_path $value | string replace -r '^' -- "$before"
            set -e lines[1]
        case :folders
            __fish_complete_directories $value | string replace -r '^' -- "$before"
            set -e lines[1]
        case :programs
            __fish_complete_command
            set -e lines[1]
    end
    for line in $lines
        printf '%s%s\n' "$before" $line
    end
end
complete -c mtdkeep -f -a '(__mtdkeep_complete)'
