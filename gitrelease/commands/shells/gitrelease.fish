# Completion of gitrelease for fish: gitrelease completion fish | source
# fish quotes what it inserts; nothing of it is split, expanded or evaluated here.
function __gitrelease_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct | string unescape)
    set -l found (@PYTHON@ -I -m gitrelease _complete words $words[2..-1] "$word" 2>/dev/null </dev/null)
    if test "$found[1]" = :folders
        __fish_complete_directories (commandline -ct)
    else
        printf '%s\n' $found
    end
end
complete --command gitrelease --no-files --keep-order --arguments '(__gitrelease_complete)'
